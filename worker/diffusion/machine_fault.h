// What an error says of the machine it happened on.
#ifndef MIND_WORKER_DIFFUSION_MACHINE_FAULT_H_
#define MIND_WORKER_DIFFUSION_MACHINE_FAULT_H_

#include <exception>

namespace mind::diffusion {

enum class MachineFault {
  kNone,               // it is about something else
  kOutOfMemory,        // of the host
  kOutOfDeviceMemory,  // it may do with less
  kDeviceLost,         // nothing works on the device any more, in this process
};

// By what LibTorch and the libraries below it throw: they have no types of their own for most of this, only
// words.
MachineFault FaultOf(const std::exception_ptr& error);

inline bool IsOutOfMemory(const std::exception_ptr& error) {
  const MachineFault fault = FaultOf(error);
  return fault == MachineFault::kOutOfMemory || fault == MachineFault::kOutOfDeviceMemory;
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MACHINE_FAULT_H_
