"""pixcodec beside other lossless codecs: ``pixcodec bench``, on which ``benchmarks/`` stands.

`peers` and `ours` are the codecs, `registry` knows them by name, `worker` measures one of them in a process
of its own, `measuring` starts the workers, `record` is what they found, `summary` its figures, `page` the
HTML report. The libraries of the peers are imported where they are used; the extra ``bench`` has them.
"""
