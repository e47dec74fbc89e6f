"""What beat is to send: its entries wherever they are kept, and whether each run came in time."""
