// A model as lists of models tell it, and what it can be asked of its samplers.
#ifndef MIND_SERVER_GENERATION_MODEL_SUMMARY_H_
#define MIND_SERVER_GENERATION_MODEL_SUMMARY_H_

#include "mind/v1/generation.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// With no more of its samplers than who chooses a model needs.
inline v1::Model Summary(v1::Model model) {
  for (v1::Sampler& sampler : *model.mutable_samplers()) {
    sampler.clear_description();
    sampler.clear_aliases();
    sampler.clear_parameters();
  }
  return model;
}

inline v1::ListSamplersResponse SamplersOf(const v1::Model& model) {
  v1::ListSamplersResponse response;
  *response.mutable_samplers() = model.samplers();
  response.set_default_sampler(model.default_sampler());
  return response;
}

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_MODEL_SUMMARY_H_
