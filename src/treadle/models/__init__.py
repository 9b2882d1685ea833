"""Language models behind the Model protocol (core/model.py): over HTTP, embedded, or scripted."""
