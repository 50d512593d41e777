// The page people use, and its files, which are inside the program.
#ifndef MIND_SERVER_HTTP_PAGE_H_
#define MIND_SERVER_HTTP_PAGE_H_

#include <map>
#include <string>

#include "server/http/router.h"

namespace mind::server {

// Serves index.html at / and the others by their names. Browsers ask again each time, and are told where
// nothing has changed. The pages' scripts and styles may come from this server alone.
void AddPage(Router& router);

// client/web, by name. Made by the build (embed.cmake).
std::map<std::string, std::string> EmbeddedFiles();

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_PAGE_H_
