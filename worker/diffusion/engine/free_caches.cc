#include "worker/diffusion/engine/free_caches.h"

#include <malloc.h>
#include <torch/version.h>

#include "worker/diffusion/device/kept_memory.h"

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 9)
#define MIND_HAS_DEVICE_ALLOCATORS
#include <c10/core/CachingDeviceAllocator.h>
#endif

namespace mind::diffusion {

void FreeCaches(c10::Device device) {
  FreeKeptBlocks();
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
#if defined(MIND_HAS_DEVICE_ALLOCATORS)
  if (!device.is_cpu()) c10::getDeviceAllocator(device.type())->emptyCache();
#endif
}

}  // namespace mind::diffusion
