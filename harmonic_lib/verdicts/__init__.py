"""Whether our runs reproduce a reported number: the rule, and the report."""
