"""Completions of prediction batches: from the array in the batch's document to a subcollection of their own."""
