#include "worker/evaluation/prompts.h"

#include <fstream>
#include <sstream>

#include "worker/diffusion/error.h"

namespace mind::evaluation {

std::vector<Prompt> ReadPrompts(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw diffusion::Error(path + ": missing or unreadable");
  std::vector<Prompt> prompts;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    Prompt prompt;
    std::string beyond;
    std::getline(fields, prompt.text, '\t');
    std::getline(fields, prompt.thing, '\t');
    std::getline(fields, prompt.colour, '\t');
    if (prompt.text.empty() || std::getline(fields, beyond, '\t')) {
      throw diffusion::Error(path + ": line " + std::to_string(number) +
                             " is not \"prompt <tab> thing <tab> colour\"");
    }
    prompts.push_back(prompt);
  }
  if (prompts.empty()) throw diffusion::Error(path + ": no prompts in it");
  return prompts;
}

std::vector<Prompt> LabelsOf(const training::CaptionedSet& set) {
  const auto name = [](const std::vector<std::string>& names, const std::vector<int64_t>& numbers, size_t i) {
    const bool named = i < numbers.size() && numbers[i] >= 0;
    return named ? names[static_cast<size_t>(numbers[i])] : std::string();
  };
  std::vector<Prompt> labels;
  for (size_t i = 0; i < set.captions.size(); ++i) {
    labels.push_back({.text = set.captions[i].front(),
                      .thing = name(set.things, set.thing, i),
                      .colour = name(set.colours, set.colour, i)});
  }
  return labels;
}

}  // namespace mind::evaluation
