#include "worker/diffusion/machine_fault.h"

#include <c10/util/Exception.h>

#include <new>
#include <string>

namespace mind::diffusion {
namespace {

struct Words {
  const char* text;
  MachineFault fault;
};

// The first that occurs counts: CUDA says "out of memory" as one of its errors, too.
constexpr Words kWords[] = {
    {"can't allocate memory", MachineFault::kOutOfMemory},  // c10's allocator of the CPU
    {"out of memory", MachineFault::kOutOfDeviceMemory},
    {"CUDNN_STATUS_ALLOC_FAILED", MachineFault::kOutOfDeviceMemory},
    {"CUBLAS_STATUS_ALLOC_FAILED", MachineFault::kOutOfDeviceMemory},
    // Of CUDA's errors those after which its context is of no use (CUDA Runtime API, "Error handling": the
    // process must be terminated and relaunched), and those of a device that is gone.
    {"an illegal memory access was encountered", MachineFault::kDeviceLost},
    {"device-side assert triggered", MachineFault::kDeviceLost},
    {"unspecified launch failure", MachineFault::kDeviceLost},
    {"misaligned address", MachineFault::kDeviceLost},
    {"an illegal instruction was encountered", MachineFault::kDeviceLost},
    {"invalid program counter", MachineFault::kDeviceLost},
    {"uncorrectable ECC error encountered", MachineFault::kDeviceLost},
    {"uncorrectable NVLink error", MachineFault::kDeviceLost},
    {"hardware stack error", MachineFault::kDeviceLost},
    {"the launch timed out and was terminated", MachineFault::kDeviceLost},
    {"CUDNN_STATUS_EXECUTION_FAILED", MachineFault::kDeviceLost},
    {"CUBLAS_STATUS_EXECUTION_FAILED", MachineFault::kDeviceLost},
};

MachineFault FaultIn(const std::string& message) {
  for (const Words& words : kWords) {
    if (message.find(words.text) != std::string::npos) return words.fault;
  }
  return MachineFault::kNone;
}

}  // namespace

MachineFault FaultOf(const std::exception_ptr& error) {
  if (!error) return MachineFault::kNone;
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    return MachineFault::kOutOfMemory;
  } catch (const c10::Error& e) {
    return FaultIn(e.what_without_backtrace());
  } catch (...) {
    return MachineFault::kNone;
  }
}

}  // namespace mind::diffusion
