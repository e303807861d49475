/**
 * Freed memory that a thread of DuckDB keeps from the system, and above which one release goes back at once.
 * By default, 128 and 512 MB, a process keeps what its largest file took.
 */
const FREED_BYTES_MAX = 8 * 1024 * 1024;

/** Configuration of an instance that gives freed memory back to the system early. */
export const RELEASE_EARLY = {
  allocator_flush_threshold: `${FREED_BYTES_MAX}B`,
  allocator_bulk_deallocation_flush_threshold: `${FREED_BYTES_MAX}B`,
};
