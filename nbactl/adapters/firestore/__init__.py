"""The document port on Google Firestore. Importing a module of this package loads Google's client."""
