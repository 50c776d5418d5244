"""What may be configured: recipes, trainings, runs, submissions."""
