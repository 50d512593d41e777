#include "server/http/openai_extensions.h"

#include <google/protobuf/descriptor.h>

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "server/http/proto_json.h"

namespace mind::server {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

void ReadLoras(JsonFields& fields, v1::ImageSpec& spec) {
  const std::optional<json> loras = fields.Structure("loras");
  if (!loras) return;
  if (!loras->is_array()) return fields.Refuse("loras", "loras must be a list of {\"name\", \"scale\"}");
  for (const json& one : *loras) {
    if (!one.is_object()) return fields.Refuse("loras", "loras must be a list of {\"name\", \"scale\"}");
    JsonFields lora(one, fields.from_form());
    v1::LoraUse* const use = spec.add_loras();
    use->set_name(lora.Text("name").value_or(""));
    if (const auto scale = lora.Number("scale", -10, 10)) use->set_scale(*scale);
    if (!lora.status().ok()) return fields.Refuse("loras", std::string(lora.status().message()));
  }
}

// Makes protobuf's JSON of what callers write; what is neither stays, for protobuf to refuse.
void MakeProtoJson(const FieldDescriptor& field, bool from_form, json& value) {
  if (field.is_map()) return;
  if (value.is_array()) {
    for (json& one : value) MakeProtoJson(field, from_form, one);
    return;
  }
  if (value.is_object() && field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    for (auto& [name, inner] : value.items()) {
      const FieldDescriptor* of = field.message_type()->FindFieldByName(name);
      if (of == nullptr) of = field.message_type()->FindFieldByCamelcaseName(name);
      if (of != nullptr) MakeProtoJson(*of, from_form, inner);
    }
    return;
  }
  if (!value.is_string()) return;
  const std::string& text = value.get_ref<const std::string&>();
  if (field.type() == FieldDescriptor::TYPE_BYTES) {
    const size_t comma = text.find(',');
    if (absl::StartsWithIgnoreCase(text, "data:") && comma != std::string::npos)
      value = text.substr(comma + 1);
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    const std::string whole = EnumeratorPrefix(*field.enum_type()) + absl::AsciiStrToUpper(text);
    if (field.enum_type()->FindValueByName(whole) != nullptr) value = whole;
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL && from_form) {
    if (text == "true" || text == "false") value = text == "true";
  }
}

void ReadSpecField(const FieldDescriptor& field, JsonFields& fields, v1::ImageSpec& spec) {
  std::optional<json> value;
  if (field.is_repeated() || field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    value = fields.Structure(field.name());
  } else if (const json* const given = fields.Any(field.name())) {
    value = *given;
  }
  if (!value) return;
  MakeProtoJson(field, fields.from_form(), *value);
  v1::ImageSpec said;
  const std::string text =
      json{{field.name(), *std::move(value)}}.dump(-1, ' ', false, json::error_handler_t::replace);
  if (const std::string wrong = ReadJson(text, &said); !wrong.empty())
    return fields.Refuse(field.name(), wrong);
  spec.MergeFrom(said);
}

}  // namespace

void ReadOpenAiExtensions(JsonFields& fields, v1::JobRequest& job) {
  v1::ImageSpec& spec = *job.mutable_spec();
  if (const auto negative = fields.Text("negative_prompt")) spec.set_negative_prompt(*negative);
  if (const auto steps = fields.Whole("num_inference_steps", 1, 100'000))
    spec.set_steps(static_cast<uint32_t>(*steps));
  if (const auto guidance = fields.Number("guidance_scale", 0, 100)) spec.set_guidance(*guidance);
  if (const auto seed = fields.Whole("seed", 0, INT64_MAX)) spec.set_seed(static_cast<uint64_t>(*seed));
  if (const auto sampler = fields.Text("sampler")) spec.set_sampler(*sampler);
  if (const auto strength = fields.Number("strength", 0, 1)) spec.set_strength(*strength);
  ReadLoras(fields, spec);
  for (const std::string& name : OpenAiSpecFields())
    ReadSpecField(*v1::ImageSpec::descriptor()->FindFieldByName(name), fields, spec);
  const auto priority = fields.Choice("priority", {"low", "normal", "high"});
  if (priority == "low") job.set_priority(v1::PRIORITY_LOW);
  if (priority == "high") job.set_priority(v1::PRIORITY_HIGH);
}

const std::vector<std::string>& OpenAiSpecFields() {
  static const auto* const names = new std::vector<std::string>{"prompt_2",
                                                                "negative_prompt_2",
                                                                "prompt_3",
                                                                "negative_prompt_3",
                                                                "emphasis",
                                                                "clip_skip",
                                                                "class_label",
                                                                "noise_level",
                                                                "sampler_parameters",
                                                                "frame",
                                                                "negative_frame",
                                                                "aesthetic_score",
                                                                "negative_aesthetic_score",
                                                                "variation",
                                                                "guidance_rescale",
                                                                "guidance_interval",
                                                                "projected_guidance",
                                                                "perturbed_guidance",
                                                                "scorer_guidance",
                                                                "picture_guidance",
                                                                "prior_guidance",
                                                                "controls",
                                                                "picture_prompts",
                                                                "depth_image",
                                                                "reference_images",
                                                                "source_fit",
                                                                "mask_blur",
                                                                "mask_fill",
                                                                "only_masked",
                                                                "hires",
                                                                "tiling",
                                                                "vae",
                                                                "later_stages",
                                                                "omit_metadata"};
  return *names;
}

std::string EnumeratorPrefix(const EnumDescriptor& choices) {
  return std::string(absl::StripSuffix(choices.value(0)->name(), "UNSPECIFIED"));
}

}  // namespace mind::server
