"""Lost cameras recovered from the silhouettes; pixels untouched."""
