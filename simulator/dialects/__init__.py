"""How a reading is put into topics and payloads: one file per kind of sender."""
