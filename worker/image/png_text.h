// The texts that a PNG carries beside its picture.
#ifndef MIND_WORKER_IMAGE_PNG_TEXT_H_
#define MIND_WORKER_IMAGE_PNG_TEXT_H_

#include <map>
#include <string>
#include <string_view>

namespace mind::image {

// By keyword, in UTF-8: those before the picture's data, where programs write them. Packed ones that are more
// than 1 MiB when unpacked are left out. Throws std::runtime_error for what is no PNG, or a damaged one. Any
// thread may call.
std::map<std::string, std::string> TextsOfPng(std::string_view file);

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_PNG_TEXT_H_
