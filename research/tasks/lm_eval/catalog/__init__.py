"""What a folder of task files contains: its index, the list of tasks and the page about them."""
