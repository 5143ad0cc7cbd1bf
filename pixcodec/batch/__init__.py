"""One image file and many: plan, processes, transcoding, atomic writes, outcomes."""
