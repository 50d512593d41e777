// What a request means that names no model.
#ifndef MIND_SERVER_GENERATION_DEFAULT_MODEL_H_
#define MIND_SERVER_GENERATION_DEFAULT_MODEL_H_

#include <vector>

#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

// What the request asks for, by the pictures and the class it carries: without any, a picture from text.
v1::Task TaskOf(const v1::ImageSpec& spec);

// Those of `served` that do it, but for the stages of others among them: if it is one, that is the default;
// if it is none or several, the request must say. The only one of all is always meant.
std::vector<const v1::Model*> ModelsMeant(const v1::ImageSpec& spec,
                                          const std::vector<const v1::Model*>& served);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_DEFAULT_MODEL_H_
