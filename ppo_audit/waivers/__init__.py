"""Waivers: findings that somebody accepted with a reason, by comment, configuration or baseline file."""
