"""Lost cameras recovered from the silhouettes; pixels stay as they are."""
