"""What is wrong with cameras that do not agree with their pictures, in words and numbers."""
