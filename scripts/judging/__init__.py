"""What scripts/juez is made of: report (criteria and points), pictures, wire, profiles, service, processes, and the two lists of
criteria, http_rules and scaler_rules. Python's standard library and Pillow; the program itself says how it is used."""
