"""Files on CTA storage."""
