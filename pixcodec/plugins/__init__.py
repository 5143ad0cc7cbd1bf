"""pixcodec inside other libraries."""
