// What AUTOMATIC1111's web UI calls our samplers.
#ifndef MIND_WORKER_IMAGE_A1111_SAMPLER_H_
#define MIND_WORKER_IMAGE_A1111_SAMPLER_H_

#include <string>

namespace mind::image {

struct A1111Sampler {
  std::string name;     // ours, where it has none
  bool karras = false;  // its schedule type is Karras, which our name ends with
};

A1111Sampler A1111SamplerOf(const std::string& ours);

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_A1111_SAMPLER_H_
