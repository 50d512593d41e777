// Memory that is kept for later use and may be given back.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_FREE_CACHES_H_
#define MIND_WORKER_DIFFUSION_ENGINE_FREE_CACHES_H_

#include <c10/core/Device.h>

namespace mind::diffusion {

// What allocators hold of what was freed goes back to the system, and to the device. Of devices beside the
// CPU with LibTorch 2.9 and newer; before that there is no way to say so without the device's own headers,
// and their allocators do it by themselves before they fail. Any thread; takes milliseconds.
void FreeCaches(c10::Device device);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_FREE_CACHES_H_
