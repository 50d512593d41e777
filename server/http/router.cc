#include "server/http/router.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/http/credentials.h"
#include "server/http/rate_headers.h"
#include "server/http/status.h"

namespace mind::server {
namespace {

std::string AllowedBy(const std::map<std::string, Router::Handler>& handlers) {
  std::string allow;
  for (const auto& [method, handler] : handlers) {
    absl::StrAppend(&allow, method, ", ");
    if (method == "GET") absl::StrAppend(&allow, "HEAD, ");
  }
  return absl::StrCat(allow, "OPTIONS");
}

}  // namespace

void Router::Add(const std::string& method, const std::string& pattern, Handler handler,
                 Operation operation) {
  Node* node = &root_;
  for (const absl::string_view segment : absl::StrSplit(pattern, '/', absl::SkipEmpty())) {
    std::unique_ptr<Node>& next = segment.front() == '{' ? node->any : node->words[std::string(segment)];
    if (next == nullptr) next = std::make_unique<Node>();
    node = next.get();
  }
  node->handlers[method] = std::move(handler);
  node->pattern = pattern;
  routes_.push_back({method, pattern, std::move(operation)});
}

void Router::SetNobody(const std::string& prefix, Nobody nobody) {
  nobodies_[prefix] = std::move(nobody);
}

const Router::Node* Router::Find(const Node& node, const std::vector<std::string>& segments, size_t at,
                                 Arguments& arguments) {
  if (at == segments.size()) return node.handlers.empty() ? nullptr : &node;
  if (const auto word = node.words.find(segments[at]); word != node.words.end()) {
    if (const Node* const found = Find(*word->second, segments, at + 1, arguments)) return found;
  }
  if (node.any == nullptr || segments[at].empty()) return nullptr;
  arguments.push_back(segments[at]);
  if (const Node* const found = Find(*node.any, segments, at + 1, arguments)) return found;
  arguments.pop_back();
  return nullptr;
}

bool Router::MayAsk(const HttpRequest& header) const {
  Arguments arguments;
  const Node* const node = Find(root_, header.segments, 0, arguments);
  return node != nullptr && node->handlers.count(header.method) > 0 &&
         authority_.StillAdmits(CredentialsOf(header), absl::StrCat(header.method, " ", node->pattern)).ok();
}

HttpHeaders Router::StandingOf(const HttpRequest& header) const {
  const std::optional<Rate> requests = authority_.RequestsOf(CredentialsOf(header));
  return requests ? RateHeaders("requests", *requests) : HttpHeaders();
}

bool Router::LetIn(const ExchangePtr& exchange, const std::string& name) const {
  std::optional<Rate> requests;
  absl::StatusOr<Caller> caller = authority_.Admit(CredentialsOf(exchange->request()), name, &requests);
  if (!requests) requests = authority_.RequestsOf(CredentialsOf(exchange->request()));  // what is not counted
  if (requests) AddRateHeaders(*exchange, "requests", *requests);
  if (caller.ok()) {
    exchange->set_caller(*std::move(caller), name);
    return true;
  }
  HttpResponse response = FormOf(exchange->request().path)(caller.status());
  // No Basic: browsers would ask for a name and a password before the page can ask for a key.
  if (absl::IsUnauthenticated(caller.status())) {
    response.headers.emplace_back("www-authenticate", "Bearer realm=\"mind\"");
  }
  exchange->Answer(std::move(response));
  return false;
}

Router::ErrorForm Router::FormOf(const std::string& path) const {
  for (auto form = forms_.rbegin(); form != forms_.rend(); ++form) {
    if (absl::StartsWith(path, form->first)) return form->second;
  }
  return ErrorResponse;
}

void Router::Dispatch(const ExchangePtr& exchange) const {
  const HttpRequest& request = exchange->request();
  Arguments arguments;
  const Node* const node = Find(root_, request.segments, 0, arguments);
  const std::string allow = node == nullptr ? "" : AllowedBy(node->handlers);
  if (node != nullptr && request.method == "OPTIONS") {
    return exchange->Answer({.status = 204, .content_type = "", .headers = {{"allow", allow}}});
  }
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  if (node != nullptr) {
    if (const auto handler = node->handlers.find(method); handler != node->handlers.end()) {
      if (LetIn(exchange, absl::StrCat(method, " ", node->pattern))) handler->second(exchange, arguments);
      return;
    }
  }
  for (const auto& [name, value] : StandingOf(request)) exchange->AddHeader(name, value);
  for (auto nobody = nobodies_.rbegin(); nobody != nobodies_.rend(); ++nobody) {
    if (absl::StartsWith(request.path, nobody->first)) return nobody->second(exchange, allow);
  }
}

}  // namespace mind::server
