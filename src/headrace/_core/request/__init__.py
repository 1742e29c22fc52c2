"""From a call to bytes: whatever leaves this folder is safe to write."""
