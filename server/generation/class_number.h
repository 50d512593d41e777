// Classes of pictures as requests say them.
#ifndef MIND_SERVER_GENERATION_CLASS_NUMBER_H_
#define MIND_SERVER_GENERATION_CLASS_NUMBER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "mind/v1/model.pb.h"

namespace mind::server {

// Of `count` classes, the number of the one given by number or, where the model has as many, by one of the
// model's names; none: it is neither.
std::optional<uint32_t> ClassNumber(const v1::Model& model, uint32_t count, const std::string& given);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_CLASS_NUMBER_H_
