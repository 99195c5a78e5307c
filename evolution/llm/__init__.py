"""Language models: endpoints, prices, the circuit breaker and the one way to ask."""
