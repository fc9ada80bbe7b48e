"""What more than one rule measures: quantities inside a loss, by subject. Rules and nobody else import from here."""
