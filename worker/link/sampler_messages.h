// Samplers and their parameters, between the wire's messages and the engine's types.
#ifndef MIND_WORKER_LINK_SAMPLER_MESSAGES_H_
#define MIND_WORKER_LINK_SAMPLER_MESSAGES_H_

#include <google/protobuf/map.h>

#include <string>

#include "google/protobuf/struct.pb.h"
#include "mind/v1/model.pb.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind {

v1::Sampler ToProto(const diffusion::SamplerInfo& info);

// Throws diffusion::RequestError for a value of a type no parameter has.
diffusion::SamplerParameters ToParameters(
    const google::protobuf::Map<std::string, google::protobuf::Value>& values);

// As JSON with its names in order, for people: {"eta":0.5}.
std::string ToJson(const google::protobuf::Map<std::string, google::protobuf::Value>& values);

}  // namespace mind

#endif  // MIND_WORKER_LINK_SAMPLER_MESSAGES_H_
