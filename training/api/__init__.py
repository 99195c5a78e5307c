"""Training over REST; `training.rpc` offers the same over JSON-RPC."""
