// What a model says of the pictures that a request may bring along.
#ifndef MIND_SERVER_GENERATION_MODEL_INPUT_H_
#define MIND_SERVER_GENERATION_MODEL_INPUT_H_

#include <algorithm>

#include "mind/v1/model.pb.h"

namespace mind::server {

// Null: the model has none of that role. Lives as long as the model.
inline const v1::ModelInput* InputOf(const v1::Model& model, v1::InputRole role) {
  const auto found = std::find_if(model.inputs().begin(), model.inputs().end(),
                                  [role](const v1::ModelInput& input) { return input.role() == role; });
  return found == model.inputs().end() ? nullptr : &*found;
}

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_MODEL_INPUT_H_
