// Requests to models as workers describe them, checked.
#ifndef MIND_TESTS_UNIT_SERVER_VALIDATE_RIG_H_
#define MIND_TESTS_UNIT_SERVER_VALIDATE_RIG_H_

#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "server/generation/validate.h"

namespace mind::server {

// "sd" takes prompts, "ddpm" takes none.
inline Models TwoModels() {
  v1::Model text;
  text.set_name("sd");
  text.set_takes_prompt(true);
  text.set_takes_negative_prompt(true);
  text.set_takes_source_image(true);
  text.set_takes_variation(true);
  text.set_max_clip_skip(2);
  text.set_size_multiple(8);
  text.set_default_width(512);
  text.set_default_height(512);
  text.set_max_width(1024);
  text.set_max_height(1024);
  text.set_default_steps(30);
  text.set_max_steps(1000);
  text.set_default_guidance(7.5);
  text.set_default_sampler("pndm");
  text.add_loras("ink");
  text.add_loras("gold");
  for (const auto& [name, evaluations] :
       {std::pair("pndm", 1.0), std::pair("ddim", 1.0), std::pair("heun", 2.0)}) {
    v1::Sampler* const sampler = text.add_samplers();
    sampler->set_name(name);
    sampler->set_evaluations_per_step(evaluations);
  }
  v1::Model pixels = text;
  pixels.set_name("ddpm");
  pixels.set_takes_prompt(false);
  pixels.set_takes_negative_prompt(false);
  pixels.set_default_guidance(1);
  return {{"sd", text}, {"ddpm", pixels}};
}

inline v1::JobRequest RequestOfSd() {
  v1::JobRequest request;
  request.mutable_spec()->set_model("sd");
  request.mutable_spec()->set_prompt("a cat");
  return request;
}

inline absl::StatusOr<ValidatedJob> CheckRequest(const v1::JobRequest& request,
                                                 const Models& models = TwoModels()) {
  return Validate(request, Caller{}, models, RequestLimits{}, 99, absl::Now());
}

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_VALIDATE_RIG_H_
