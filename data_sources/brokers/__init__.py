"""What a broker holds: queues, their depths and ages, what is inside, on Redis, RabbitMQ and any other of kombu's."""
