# ruff: noqa: E501 - one mistake a line
"""What a beginner writes, and the words that the message has to have: the argument, the value, the remedy."""

from typing import Final, NamedTuple


class Row(NamedTuple):
    """One mistake."""

    code: str
    """What is written; `client`, `User`, `Order` and all names of `headrace` are there."""
    error: str
    """The name of the error's class."""
    says: tuple[str, ...]
    """What its text has to have in it."""


#: The words of httpx, requests and aiohttp in a call, and slips of the keyboard.
CALLS: Final = (
    Row('await client.get("/users", params={"page": 1})', "TypeError", ("get()", "'params'", "here it is parameters")),
    Row('await client.post("/users", json={"name": "Ada"})', "TypeError", ("post()", "'json'", "here it is body")),
    Row('await client.post("/users", content=b"x")', "TypeError", ("post()", "'content'", "here it is data")),
    Row('await client.post("/users", files={"a": b"x"})', "TypeError", ("post()", "'files'", "upload_file")),
    Row('await client.get("/users", verify=False)', "TypeError", ("'verify'", "setting of the client", "tls")),
    Row('await client.get("/users", ssl=False)', "TypeError", ("'ssl'", "setting of the client", "tls")),
    Row('await client.get("/users", auth=("me", "secret"))', "TypeError", ("'auth'", "setting of the client", "auth")),
    Row(
        'await client.get("/users", proxies={})', "TypeError", ("'proxies'", "setting of the client", "proxy, one URL")
    ),
    Row(
        'await client.get("/users", retries=3)',
        "TypeError",
        ("'retries'", "setting of the client", "Retry(attempts=…)"),
    ),
    Row('await client.get("/users", retry=None)', "TypeError", ("'retry'", "setting of the client")),
    Row('await client.get("/users", follow_redirects=True)', "TypeError", ("'follow_redirects'", "always followed")),
    Row('await client.get("/users", allow_redirects=False)', "TypeError", ("'allow_redirects'", "always followed")),
    Row('await client.get("/users", raise_for_status=True)', "TypeError", ("'raise_for_status'", "errors.HTTPError")),
    Row('await client.get("/users", stream=True)', "TypeError", ("'stream'", "async with client.stream")),
    Row('await client.get("/users", model=User)', "TypeError", ("'model'", "here it is response_format")),
    Row('await client.get("/users", response_model=User)', "TypeError", ("here it is response_format",)),
    Row('await client.get("/users", respons_format=User)', "TypeError", ("did you mean 'response_format'?",)),
    Row('await client.get("/users", paramters={})', "TypeError", ("'paramters'", "did you mean 'parameters'?")),
    Row('await client.get("/users", header={})', "TypeError", ("'header'", "here it is headers")),
    Row('await client.get("/users", timout=3)', "TypeError", ("'timout'", "did you mean 'timeout'?")),
    Row('await client.get("/users", error_response={})', "TypeError", ("did you mean 'error_responses'?",)),
    Row('await client.get("/users", zebra=1)', "TypeError", ("get()", "'zebra'", "takes", "parameters")),
    Row('await client.download("/file", "a.bin", params={})', "TypeError", ("download()", "here it is parameters")),
    Row('await client.upload_file(b"x", "/file", params={})', "ValidationError", ("file", "bytes")),
)

#: The constructor and the class.
SETTINGS: Final = (
    Row("AsyncClient()", "AsyncClientError", ("AsyncClient needs a uri", 'AsyncClient("https://api.example.com/v1")')),
    Row(
        'AsyncClient(base_url="https://a.example")',
        "AsyncClientError",
        ("needs a uri", "'base_url' is called uri here"),
    ),
    Row('AsyncClient("https://a.example", base_url="x")', "TypeError", ("'base_url'", "here it is uri")),
    Row('AsyncClient("https://a.example", verify=False)', "TypeError", ("'verify'", "here it is tls")),
    Row('AsyncClient("https://a.example", limits=10)', "TypeError", ("'limits'", "pool=PoolLimits(…)")),
    Row('AsyncClient("https://a.example", http2=True)', "TypeError", ("'http2'", "HTTP/1.1 only")),
    Row('AsyncClient("https://a.example", trust_env=True)', "TypeError", ("'trust_env'", "environment")),
    Row('AsyncClient("https://a.example", cert="a.pem")', "TypeError", ("'cert'", "load_cert_chain")),
    Row('AsyncClient("https://a.example", max_redirects=3)', "TypeError", ("'max_redirects'", "always followed")),
    Row('AsyncClient("https://a.example", cookie_jar={})', "TypeError", ("'cookie_jar'", "here it is cookies")),
    Row('AsyncClient("https://a.example", proxies={})', "TypeError", ("'proxies'", "here it is proxy")),
    Row('AsyncClient("https://a.example", token="t")', "TypeError", ("'token'", "here it is bearer_token")),
    Row('AsyncClient("https://a.example", beerer_token="t")', "TypeError", ("did you mean 'bearer_token'?",)),
    Row('AsyncClient("https://a.example", rate_limits=5)', "TypeError", ("did you mean 'rate_limit'?",)),
    Row('class Api(AsyncClient, base_url="x"): ...', "TypeError", ("Api", "'base_url'", "here it is uri")),
    Row("class Api(AsyncClient, parms={}): ...", "TypeError", ("Api", "'parms'", "did you mean 'parameters'?")),
    Row('AsyncClient("/v1")', "ValidationError", ("uri", "/v1", "absolute", "such as https://api.example.com/v1")),
    Row('AsyncClient("api.example.com")', "ValidationError", ("uri", "api.example.com", "does https:// lack")),
    Row('AsyncClient("ftp://a.example")', "ValidationError", ("uri", "ftp://a.example", "http or https URL")),
    Row('AsyncClient("")', "ValidationError", ("uri", "absolute", "such as https://api.example.com/v1")),
    Row('AsyncClient("https://a.example", timeout="3")', "ValidationError", ("timeout", "'3'", "give the number")),
    Row(
        'AsyncClient("https://a.example", timeout=(3, 10))', "ValidationError", ("timeout", "tuple", "Timeout(connect=")
    ),
    Row('AsyncClient("https://a.example", timeout=0)', "ValidationError", ("timeout", "int (0)", "seconds above 0")),
    Row(
        'AsyncClient("https://a.example", timeout=timedelta(seconds=3))',
        "ValidationError",
        ("timeout", "timedelta", "total_seconds()"),
    ),
    Row('AsyncClient("https://a.example", auth=("me", "x"))', "ValidationError", ("auth", "tuple", "BasicAuth(user,")),
    Row('AsyncClient("https://a.example", auth="x")', "ValidationError", ("auth", "str", "takes an Auth")),
    Row('AsyncClient("https://a.example", retry=3)', "ValidationError", ("retry", "int (3)", "Retry(attempts=3)")),
    Row('AsyncClient("https://a.example", pool=10)', "ValidationError", ("pool", "int (10)", "PoolLimits(max_conn")),
    Row(
        'AsyncClient("https://a.example", circuit_breaker=True)', "ValidationError", ("bool (True)", "CircuitBreaker()")
    ),
    Row(
        'AsyncClient("https://a.example", tls="ca.pem")',
        "ValidationError",
        ("tls", "'ca.pem'", "create_default_context"),
    ),
    Row('AsyncClient("https://a.example", proxy=8080)', "ValidationError", ("proxy", "int (8080)", "absolute")),
    Row('AsyncClient("https://a.example", proxy="socks5://p")', "ValidationError", ("proxy", "socks5://p", "http")),
    Row('AsyncClient("https://a.example", transport="httpx")', "ValidationError", ("transport", "'httpx'", "'wire'")),
    Row('AsyncClient("https://a.example", rate_limit="5/s")', "ValidationError", ("rate_limit", "'5/s'", "interval")),
    Row('AsyncClient("https://a.example", rate_limit=0)', "ValidationError", ("rate_limit", "int (0)", "above 0")),
    Row('AsyncClient("https://a.example", headers=[("a", "b")])', "ValidationError", ("headers", "list", "a mapping")),
    Row('AsyncClient("https://a.example", bearer_token=5)', "ValidationError", ("bearer_token", "int", "a str")),
    Row('AsyncClient("https://a.example", limiter=5)', "ValidationError", ("limiter", "int (5)", "a Limiter")),
    Row(
        'AsyncClient("https://a.example", error_responses={"404": User})', "ValidationError", ("error_responses", "404")
    ),
    Row("Retry(attempts=0)", "ValidationError", ("attempts", "int (0)", "a whole number above 0")),
    Row("Retry(statuses=503)", "ValidationError", ("statuses", "int (503)", "a collection")),
    Row('Timeout(read="5")', "ValidationError", ("read", "'5'", "a number of seconds")),
)

#: What a call is given.
ARGUMENTS: Final = (
    Row("await client.get(5)", "ValidationError", ("path", "int (5)", "a str")),
    Row("await client.get(User)", "ValidationError", ("path", "the class User", "a str")),
    Row('await client.get("ftp://a.example/x")', "ValidationError", ("path", "ftp://", "http or https")),
    Row('await client.get("/a\\r\\nX: y")', "ValidationError", ("path", "control character", "percent-encode")),
    Row('await client.get("/users", parameters=User)', "ValidationError", ("parameters", "the class User", "/users")),
    Row('await client.get("/users", parameters="page=1")', "ValidationError", ("parameters", "'page=1'", "a mapping")),
    Row('await client.get("/users", parameters={1: 2})', "ValidationError", ("parameters", "the key 1", "text")),
    Row(
        'await client.get("/users", parameters={"a": object()})',
        "ValidationError",
        ("parameters['a']", "object", "text, a number", "GET /users"),
    ),
    Row('await client.get("/users", headers="a: b")', "ValidationError", ("headers", "str", "a mapping or a model")),
    Row(
        'await client.get("/users", headers={"a b": "c"})', "ValidationError", ("headers", "'a b'", "name of a header")
    ),
    Row('await client.get("/users", headers={"X": "a\\nb"})', "ValidationError", ("headers['X']", "CR, LF", "/users")),
    Row('await client.get("/users", cookies={"a": "b;c"})', "ValidationError", ("cookies['a']", "no semicolon")),
    Row('await client.post("/users", body="x")', "ValidationError", ("body", "str", "use data=", "POST /users")),
    Row('await client.post("/users", body={}, data=b"")', "ValidationError", ("body and data", "give one")),
    Row('await client.post("/users", body={"a": object()})', "ValidationError", ("body", "object", "`$.a`")),
    Row('await client.post("/users", body=[1, {"b": object()}])', "ValidationError", ("body", "`$[1].b`")),
    Row('await client.post("/users", body={"a": float("nan")})', "ValidationError", ("body", "NaN", "`$.a`")),
    Row('await client.post("/users", data=object())', "ValidationError", ("data", "object", "bytes, text, a number")),
    Row('await client.post("/users", data=User)', "ValidationError", ("data", "the class User", "bytes")),
    Row('await client.request("GE T", "/users")', "ValidationError", ("method", "a token such as GET")),
    Row('await client.get("/users", timeout="1")', "ValidationError", ("timeout", "'1'", "give the number")),
    Row('await client.get("/users", error_responses=[404])', "ValidationError", ("error_responses", "list", "mapping")),
    Row('await client.download("/file", "")', "ValidationError", ("dest", "a path")),
    Row('await client.upload_file("/no/such/file", "/file")', "FileNotFoundError", ("/no/such/file",)),
)

#: The model that is given.
FORMATS: Final = (
    Row('await client.get("/users", response_format=[User])', "ValidationError", ("list", "give list[User]")),
    Row(
        'await client.get("/users/1", response_format=User(id=1, name="Ada"))',
        "ValidationError",
        ("response_format", "got User", "give the class User"),
    ),
    Row('await client.get("/users/1", response_format="User")', "ValidationError", ("'User'", "without quotes")),
    Row('await client.get("/users/1", response_format="json")', "ValidationError", ("'json'", "None gives plain JSON")),
    Row('await client.get("/users/1", response_format=(User, Order))', "ValidationError", ("give User | Order",)),
    Row('await client.get("/users/1", response_format={"id": int})', "ValidationError", ("dict", "give a class")),
    Row('await client.get("/users/1", response_format=5)', "ValidationError", ("int (5)", "a model")),
    Row(
        'await client.get("/users/1", response_format=User | Order)',
        "ValidationError",
        ("response_format", "union", "User | ", "tag=True"),
    ),
    Row('await client.get("/users", on_invalid="skip")', "ValidationError", ("response_format", "list[User]")),
    Row(
        'await client.get("/users", response_format=list[User], on_invalid="drop")',
        "ValidationError",
        ("on_invalid", "'drop'", '"skip"'),
    ),
    Row("Fast[User]", "ValidationError", ("Fast", "User", "pydantic v2 model class")),
    Row("Fast[Extra]", "StructifyError", ("extra", "the model itself")),
    Row("structify(User)", "ValidationError", ("model", "User", "pydantic v2 model class")),
)

#: What comes back.
ANSWERS: Final = (
    Row(
        'await client.get("/page")',
        "ResponseParseError",
        ("GET https://api.example.com/v1/page", "not JSON", "text/html", "response_format=str", "<h1>"),
    ),
    Row(
        'await client.get("/users/1", response_format=Order)',
        "ResponseValidationError",
        ("GET https://api.example.com/v1/users/1", "missing required field", "total", "`$`"),
    ),
    Row(
        'await client.get("/users", response_format=list[Order])',
        "ResponseValidationError",
        ("https://api.example.com/v1/users", "`$[0]`"),
    ),
    Row(
        'await client.get("/nothing")',
        "HTTPNotFound",
        ("404 Not Found", "GET https://api.example.com/v1/nothing", "no such thing"),
    ),
)

#: Streams and the life of a client.
LIFE: Final = (
    Row("with client: ...", "TypeError", ("with", "AsyncClient", "async with")),
    Row('with client.stream("GET", "/file"): ...', "TypeError", ("with", "async with client.stream")),
    Row('await client.stream("GET", "/file")', "TypeError", ("await", "async with client.stream")),
    Row(
        'async for piece in client.stream("GET", "/file"): ...',
        "TypeError",
        ("async for", "async with client.stream", "aiter_bytes()"),
    ),
    Row(
        'async with client.stream("GET", "/file") as response:\n    async for piece in response: ...',
        "TypeError",
        ("async for", "StreamedResponse", "aiter_bytes()", "aiter_lines()"),
    ),
    Row(
        'async with client.stream("GET", "/file") as response:\n    response.status_code',
        "AttributeError",
        ("status_code", "here it is status"),
    ),
    Row(
        'async with client.stream("GET", "/file") as response:\n    response.json()',
        "AttributeError",
        ("json", "await response.aread()"),
    ),
    Row(
        'async with client.stream("GET", "/file") as response:\n    response.iter_lines()',
        "AttributeError",
        ("iter_lines", "aiter_lines()"),
    ),
    Row(
        'async with client.stream("GET", "/file") as response:\n    await response.aread()\n    response.aiter_bytes("1")',
        "ValidationError",
        ("chunk_size", "'1'", "bytes"),
    ),
    Row(
        'async with client.stream("GET", "/file") as response: ...\nawait response.aread()',
        "AsyncClientError",
        ("GET https://api.example.com/v1/file", "inside its `async with` block"),
    ),
    Row(
        'await client.close()\nasync with client.stream("GET", "/file"): ...',
        "AsyncClientError",
        ("AsyncClient is closed", "nothing was sent"),
    ),
    Row(
        "class Api(AsyncClient):\n    def __init__(self):\n        self.x = 1\nawait Api().get()",
        "AsyncClientError",
        ("Api", "super().__init__(uri)", "uri=…"),
    ),
    Row(
        "class Api(AsyncClient):\n    def __init__(self):\n        self.x = 1\nApi().headers",
        "AsyncClientError",
        ("Api", "super().__init__(uri)", "uri=…"),
    ),
    Row("headrace.run(client.get)", "TypeError", ("main", "coroutine", "call it", "get()")),
    Row('headrace.run(client.get("/users/1"), log="loud")', "ValidationError", ("log", "'loud'", '"info"')),
)

SERIES: Final = (
    Row('client.paginate("/users")', "ValidationError", ("pages: is needed", "Link()", "detect(answer)")),
    Row('client.paginate("/users", pages="next")', "ValidationError", ("pages: got str", "strategy", "function")),
    Row("client.paginate('/users', pages=Link)", "ValidationError", ("pages: got the class Link",)),
    Row('Cursor("next")', "ValidationError", ("parameter, body: give one of them",)),
    Row(
        'client.paginate("/users", pages=Link(), parallel=4)',
        "ValidationError",
        ("parallel: got 4", "cannot be counted"),
    ),
    Row(
        'client.paginate("/users", response_format=list[User], items="data", pages=Link(), max_pages=0)',
        "ValidationError",
        ("max_pages: got int (0)", "above 0"),
    ),
    Row(
        'await client.paginate("/users", pages=Link(), incremental=Incremental("changed")).collect()',
        "PaginationError",
        ("GET https://api.example.com/v1/users", "row 0 of the page has nothing at $.changed"),
    ),
    Row(
        'client.paginate("/users", response_format=User, pages=Link(), incremental=Incremental("changed"))',
        "ValidationError",
        ("incremental: field", "User has nothing at $.changed"),
    ),
    Row(
        'client.paginate("/users", response_format=User, pages=Link(), incremental=Incremental("name", lag=5))',
        "ValidationError",
        ("lag: got int", "$.name is text", "datetime"),
    ),
    Row('for user in client.paginate("/users", pages=Link()): ...', "TypeError", ("asynchronously", "async for")),
    Row("client.bulk(7)", "ValidationError", ("calls: got int (7)", "iterable")),
    Row('client.bulk(["/users"], in_flight=0)', "ValidationError", ("in_flight: got int (0)",)),
    Row('client.bulk(["/users"], pages=Link(), items=7)', "ValidationError", ("items: got int", '"data.items"')),
    Row("await anext(client.bulk([7]))", "ValidationError", ("calls[0]: got int (7)", "a path")),
    Row(
        'await anext(client.bulk([{"path": "/users", "params": {}}]))',
        "ValidationError",
        ("calls[0]", "'params'", "here it is parameters"),
    ),
    Row(
        'await anext(client.bulk([Call("/users", pages=Link())]))',
        "ValidationError",
        ("calls[0]: has pages", "items= or pages="),
    ),
    Row('await client.bulk(["/users"]).run()', "ValidationError", ("sink: run() needs one", "sinks.Discard()")),
    Row('client.bulk(["/users"], journal=True)', "ValidationError", ("journal: True lies beside a sink", "path")),
    Row(
        'client.bulk(["/users"], items="", incremental=Incremental("id"))',
        "ValidationError",
        ("incremental: is taken with a journal",),
    ),
    Row(
        'client.bulk(["/users"], incremental=Incremental("id"), journal="journal")',
        "ValidationError",
        ("incremental: compares rows", "items= or pages="),
    ),
    Row('client.bulk(["/users"], expected=404)', "ValidationError", ("expected: got int (404)", "{404, 410}")),
    Row('client.bulk(["/users"], max_failures=1.5)', "ValidationError", ("max_failures: got float (1.5)", "share")),
)

SECTIONS: Final = {
    "Keywords of a call": CALLS,
    "Settings of a client": SETTINGS,
    "Arguments of a call": ARGUMENTS,
    "Models and formats": FORMATS,
    "Answers": ANSWERS,
    "Streams, and the life of a client": LIFE,
    "Pages and bulks": SERIES,
}
ROWS: Final = tuple(row for rows in SECTIONS.values() for row in rows)
