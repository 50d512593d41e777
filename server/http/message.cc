#include "server/http/message.h"

namespace mind::server {
namespace {

const std::string& In(const auto& map, const std::string& name) {
  static const std::string* const none = new std::string;
  const auto found = map.find(name);
  return found == map.end() ? *none : found->second;
}

}  // namespace

const std::string& HttpRequest::Header(const std::string& name) const {
  return In(headers, name);
}

const std::string& HttpRequest::Query(const std::string& name) const {
  return In(query, name);
}

}  // namespace mind::server
