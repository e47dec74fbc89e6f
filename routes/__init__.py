"""What is served beside the pages: exports, health, and the guard before everything."""
