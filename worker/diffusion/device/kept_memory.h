// The CPU's memory for large tensors, kept for the next ones.
//
// malloc gives large blocks back to the system when they are freed, and every one that comes after is mapped
// anew: a page fault for each 4 KiB of a network's every map, a tenth of a step on a CPU. Here blocks from
// half a MiB to 64 MiB are kept when they are freed, a quarter of a GiB of them at most, and larger ones lie
// in large pages where the system has them.
#ifndef MIND_WORKER_DIFFUSION_DEVICE_KEPT_MEMORY_H_
#define MIND_WORKER_DIFFUSION_DEVICE_KEPT_MEMORY_H_

#include <cstdint>

namespace mind::diffusion {

// From now on CPU tensors' memory comes from there, in the whole process. Call before other threads are
// started; more than once changes nothing.
void KeepLargeBlocks();

// What is kept goes back to the system. Any thread.
void FreeKeptBlocks();

// Bytes that are kept for nobody now.
int64_t KeptBytes();

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_DEVICE_KEPT_MEMORY_H_
