// Flags of `mind generate` that fill in parts of the spec by themselves.
#ifndef MIND_CLIENT_CLI_SPEC_FLAGS_H_
#define MIND_CLIENT_CLI_SPEC_FLAGS_H_

#include <functional>
#include <string>
#include <utility>

#include "mind/v1/image.pb.h"
#include "proto/support/command_line.h"

namespace mind::cli {

inline FlagReader Text(std::function<void(const std::string&)> take) {
  return [take = std::move(take)](const std::string& text) {
    take(text);
    return std::string();
  };
}

inline FlagReader Real(std::function<void(double)> take) {
  return Number<double>(std::move(take));
}

// `spec` is filled in while the command line is read.
// What further text encoders read.
void AddFurtherPromptFlags(CLI::App& app, v1::ImageSpec& spec);
// How the prompt, pictures and scorers guide.
void AddGuidanceFlags(CLI::App& app, v1::ImageSpec& spec);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_SPEC_FLAGS_H_
