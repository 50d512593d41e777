#include "worker/image/infotext.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <sstream>

#include "worker/image/a1111_sampler.h"

namespace mind::image {
namespace {

constexpr char kNegativePrompt[] = "Negative prompt:";
// A last line with fewer settings than this is part of the prompt.
constexpr size_t kFewestValues = 3;

// Values with a comma, colon or newline are quoted as JSON, or the reader would split them.
std::string Quoted(const std::string& value) {
  if (value.find_first_of(",:\n") == std::string::npos) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string_view Stripped(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool IsOfName(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0 || c == '_' || c == ' ' || c == '-' || c == '/';
}

// Past the closing quote of a JSON text that begins the line; 0 if it has none.
size_t EndOfQuoted(std::string_view line) {
  for (size_t at = 1; at < line.size(); ++at) {
    if (line[at] == '\\') {
      ++at;
    } else if (line[at] == '"') {
      return at + 1;
    }
  }
  return 0;
}

// "Steps: 20, Sampler: Euler, …".
std::vector<std::pair<std::string, std::string>> ParseValues(std::string_view line) {
  std::vector<std::pair<std::string, std::string>> values;
  while (!(line = Stripped(line)).empty()) {
    const size_t colon = static_cast<size_t>(
        std::find_if_not(line.begin(), line.end(), [](char c) { return IsOfName(c); }) - line.begin());
    if (colon == 0 || colon == line.size() || line[colon] != ':') break;
    const std::string name(Stripped(line.substr(0, colon)));
    line = Stripped(line.substr(colon + 1));
    size_t end = !line.empty() && line.front() == '"' ? EndOfQuoted(line) : 0;
    std::string value;
    if (end > 0) {
      const nlohmann::json text = nlohmann::json::parse(line.substr(0, end), nullptr, false);
      value = text.is_string() ? text.get<std::string>() : std::string(line.substr(0, end));
    } else {
      end = std::min(line.find(','), line.size());
      value = std::string(Stripped(line.substr(0, end)));
    }
    values.emplace_back(name, std::move(value));
    line = Stripped(line.substr(end));
    if (!line.empty() && line.front() == ',') line.remove_prefix(1);
  }
  return values;
}

}  // namespace

std::string FormatInfotext(const Infotext& info) {
  const A1111Sampler sampler = A1111SamplerOf(info.sampler);
  std::ostringstream out;
  out << info.prompt << "\n";
  if (!info.negative_prompt.empty()) out << kNegativePrompt << " " << info.negative_prompt << "\n";
  out << "Steps: " << info.steps << ", Sampler: " << Quoted(sampler.name);
  if (sampler.karras) out << ", Schedule type: Karras";
  if (!info.sampler_parameters.empty()) out << ", Sampler parameters: " << Quoted(info.sampler_parameters);
  out << ", CFG scale: " << nlohmann::json(info.guidance).dump() << ", Seed: " << info.seed
      << ", Size: " << info.width << "x" << info.height << ", Model: " << Quoted(info.model);
  // A1111's name is its file's.
  if (!info.vae.empty())
    out << ", VAE hash: " << info.vae_hash << ", VAE: " << Quoted(info.vae + ".safetensors");
  if (info.variation_strength > 0) {
    out << ", Variation seed: " << info.variation_seed
        << ", Variation seed strength: " << nlohmann::json(info.variation_strength).dump();
  }
  if (info.strength > 0) out << ", Denoising strength: " << nlohmann::json(info.strength).dump();
  if (info.hires.steps > 0) {
    if (info.hires.scale > 0) {
      out << ", Hires upscale: " << nlohmann::json(info.hires.scale).dump();
    } else {
      out << ", Hires resize: " << info.hires.width << "x" << info.hires.height;
    }
    out << ", Hires steps: " << info.hires.steps << ", Hires upscaler: " << info.hires.upscaler;
  }
  if (info.tiling) out << ", Tiling: True";
  if (info.references > 0) out << ", References: " << info.references;
  if (!info.source_fit.empty()) out << ", Source fit: " << info.source_fit;
  if (info.mask_blur >= 0) out << ", Mask blur: " << nlohmann::json(info.mask_blur).dump();
  if (info.mask_padding >= 0) {
    out << ", Inpaint area: Only masked, Masked area padding: " << info.mask_padding;
  }
  if (!info.mask_fill.empty()) out << ", Masked content: " << info.mask_fill;
  if (info.clip_skip > 0) out << ", Clip skip: " << info.clip_skip + 1;  // A1111 counts layers from 1
  if (info.guidance_rescale > 0) out << ", CFG Rescale: " << nlohmann::json(info.guidance_rescale).dump();
  if (info.guidance_begin > 0 || info.guidance_end < 1) {
    out << ", Guidance interval: " << nlohmann::json(info.guidance_begin).dump() << "-"
        << nlohmann::json(info.guidance_end).dump();
  }
  const auto& [momentum, norm_threshold, eta] = info.projected;
  if (momentum != 0 || norm_threshold != 0 || eta != 1) {
    out << ", APG eta: " << nlohmann::json(eta).dump()
        << ", APG norm threshold: " << nlohmann::json(norm_threshold).dump()
        << ", APG momentum: " << nlohmann::json(momentum).dump();
  }
  const auto& [scale, fall, layers, after, before] = info.perturbed;
  if (scale > 0) {
    out << ", Perturbed guidance: " << nlohmann::json(scale).dump()
        << ", Perturbed layers: " << Quoted(layers);
    if (fall > 0) out << ", Perturbed fall: " << nlohmann::json(fall).dump();
    if (after >= 0) out << ", Perturbed after: " << nlohmann::json(after).dump();
    if (before < 1) out << ", Perturbed before: " << nlohmann::json(before).dump();
  }
  for (const auto& [name, prompt] : info.further_prompts) out << ", " << name << ": " << Quoted(prompt);
  if (!info.class_label.empty()) out << ", Class: " << Quoted(info.class_label);
  if (info.noise_level >= 0) out << ", Noise level: " << info.noise_level;
  out << ", RNG: CPU, Version: " << Quoted(info.version);
  return out.str();
}

InfotextFields ParseInfotext(std::string_view text) {
  InfotextFields fields;
  text = Stripped(text);
  const size_t last_line = text.rfind('\n') + 1;  // 0 if there is but one
  fields.values = ParseValues(text.substr(last_line));
  if (fields.values.size() < kFewestValues) {
    fields.values.clear();
  } else {
    text = text.substr(0, last_line);
  }
  size_t negative = text.starts_with(kNegativePrompt) ? 0 : text.find(std::string("\n") + kNegativePrompt);
  fields.prompt = std::string(Stripped(text.substr(0, negative)));
  if (negative == std::string_view::npos) return fields;
  negative = text.find(kNegativePrompt, negative) + sizeof(kNegativePrompt) - 1;
  fields.negative_prompt = std::string(Stripped(text.substr(negative)));
  return fields;
}

}  // namespace mind::image
