"""Between collectors and writers: what was taken in, on several machines, until it is in the store.

- `parcels`: batches as messages and back; pure
- `bus`: what is asked of a bus; `nats_bus` and `redis_bus` are it
- `spool`: messages on this machine's disk while the bus does not take them
- `publisher`: stands where the writer stands on one machine: acknowledged means that the bus has it
- `puller`: gives a writer what is on the bus, and tells the bus what is stored
"""
