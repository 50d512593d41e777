// Which handler a request is for.
#ifndef MIND_SERVER_HTTP_ROUTER_H_
#define MIND_SERVER_HTTP_ROUTER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/http/exchange.h"
#include "server/http/operation.h"
#include "server/trust/gatekeeper.h"

namespace mind::server {

// Filled before the server starts, then constant. Costs what the path is long, however many routes there are.
class Router {
 public:
  // `authority`: who may call what; it must outlive the router.
  explicit Router(Authority& authority) : authority_(authority) {}

  // What stands in the places of a pattern's names, in order.
  using Arguments = std::vector<std::string>;
  using Handler = std::function<void(const ExchangePtr& exchange, const Arguments& arguments)>;
  // Answers for a path that is nobody's, or not by this method (then `allow` lists those that are: "GET,
  // POST").
  using Nobody = std::function<void(const ExchangePtr& exchange, const std::string& allow)>;

  // `pattern` is a path whose segments are words, or names in braces, for which anything may stand:
  // "/v1/jobs/{id}/events". A word goes before a name. `operation` is what the document of the API says of
  // it.
  void Add(const std::string& method, const std::string& pattern, Handler handler, Operation operation = {});
  // A schema that operations name.
  void Describe(const std::string& name, const SchemaText& schema) { schemas_[name] = schema; }
  // For paths that begin so, the longest first; "/" for all others. REQUIRES before Dispatch: one for "/".
  void SetNobody(const std::string& prefix, Nobody nobody);
  // In what form callers of paths that begin so are refused who may not call; that of Google's APIs for
  // others.
  using ErrorForm = std::function<HttpResponse(const absl::Status&)>;
  void SetErrorForm(const std::string& prefix, ErrorForm form) { forms_[prefix] = std::move(form); }

  // Whether a request with this header, and whatever body, would be let in now. It is not counted.
  bool MayAsk(const HttpRequest& header) const;
  // What goes with an answer to a request with this header that no handler gives, of how its tenant stands.
  HttpHeaders StandingOf(const HttpRequest& header) const;
  // HEAD is GET without a body, which the connection sees to. OPTIONS is answered with what is allowed.
  void Dispatch(const ExchangePtr& exchange) const;

  // What has been added, in order.
  struct Route {
    std::string method, pattern;
    Operation operation;
  };
  const std::vector<Route>& routes() const { return routes_; }
  const std::map<std::string, SchemaText>& schemas() const { return schemas_; }

 private:
  struct Node {
    std::map<std::string, std::unique_ptr<Node>> words;
    std::unique_ptr<Node> any;
    std::map<std::string, Handler> handlers;  // by method
    std::string pattern;                      // of those
  };

  // Whether the caller may have this; answers where he may not.
  bool LetIn(const ExchangePtr& exchange, const std::string& name) const;
  ErrorForm FormOf(const std::string& path) const;

  static const Node* Find(const Node& node, const std::vector<std::string>& segments, size_t at,
                          Arguments& arguments);

  Node root_;
  std::vector<Route> routes_;
  std::map<std::string, SchemaText> schemas_;
  std::map<std::string, Nobody> nobodies_;
  std::map<std::string, ErrorForm> forms_;
  Authority& authority_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_ROUTER_H_
