"""What a run at home has shown: its properties, its test commands, its history, in one report."""
