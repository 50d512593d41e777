// What the engine throws. Every message names the thing at fault, what was found and what is allowed, so that
// it can be shown to a person as it is. Caught at one edge: worker/link turns them into job failures.
#ifndef MIND_WORKER_DIFFUSION_ERROR_H_
#define MIND_WORKER_DIFFUSION_ERROR_H_

#include <stdexcept>
#include <string>

namespace mind::diffusion {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A model directory or one of its files is missing, malformed or of a kind that is not supported.
class ModelError : public Error {
 public:
  using Error::Error;
};

// A model is well-formed as far as one can tell, but of a kind this program does not know (yet).
class UnsupportedError : public ModelError {
 public:
  using ModelError::ModelError;
};

// A request asks for something its model or sampler cannot do.
class RequestError : public Error {
 public:
  using Error::Error;
};

// A checkpoint does not belong to the request, or its bytes are damaged.
class CheckpointError : public Error {
 public:
  using Error::Error;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ERROR_H_
