// What OpenAI's Images API takes here beside OpenAI's own fields.
//
// Some have the names that other programs give them: negative_prompt, num_inference_steps, guidance_scale,
// seed, sampler, strength, loras ([{"name", "scale"}]), priority. The others are those of mind.v1.ImageSpec,
// by their own names and in protobuf's JSON: {"hires": {"scale": 2}}. An enumerator may be its last words
// alone ("crop" is SOURCE_FIT_CROP), and a picture a data URL.
#ifndef MIND_SERVER_HTTP_OPENAI_EXTENSIONS_H_
#define MIND_SERVER_HTTP_OPENAI_EXTENSIONS_H_

#include <string>
#include <vector>

#include "mind/v1/generation.pb.h"
#include "server/http/json_fields.h"

namespace mind::server {

// Fills in what they say. What is not as it must be is refused by the name that the caller gave it; whether
// the model takes it is seen later.
void ReadOpenAiExtensions(JsonFields& fields, v1::JobRequest& job);

// The fields of mind.v1.ImageSpec that are taken by their own names.
const std::vector<std::string>& OpenAiSpecFields();

// What enumerators have before their last words: "SOURCE_FIT_".
std::string EnumeratorPrefix(const google::protobuf::EnumDescriptor& choices);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_OPENAI_EXTENSIONS_H_
