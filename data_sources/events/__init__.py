"""The events that workers send, read from Redis and RabbitMQ without trust."""
