// diffusers' scheduler classes: which keys the constructor of each has, and what holds where a file leaves
// them out. A key that a class does not have changes nothing: files written by from_config carry those of
// other classes. Version 0.30.3, with the keys that later ones added, up to
// 0.42.1.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_CLASSES_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_CLASSES_H_

#include <string>
#include <vector>

#include "worker/diffusion/samplers/scheduler_keys.h"

namespace mind::diffusion {

struct SchedulerClass {
  const char* name;
  NetworkForm form;                            // of the networks it is for
  std::vector<SchedulerKey> keys;              // in the order they are read
  void (*defaults)(SamplerConfig&) = nullptr;  // where they are not SamplerConfig's
  bool samples = true;                         // false: of use with a picture at hand only
};

const std::vector<SchedulerClass>& SchedulerClasses();
const SchedulerClass* FindSchedulerClass(const std::string& name);  // null: not supported
std::string SamplingClassNames();                                   // for messages

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_CLASSES_H_
