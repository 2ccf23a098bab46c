// A folder as a page: see daemon/file_service.hpp. Names are whatever bytes the disk has; in the text they are escaped
// for HTML, in links for a URI.
#include "daemon/file_service.hpp"
#include "http/url.hpp"

namespace vnet::daemon {
namespace {

std::string for_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

void append_link(std::string& page, const std::string& to, std::string_view text) {
  page.append("<li><a href=\"").append(to).append("\">").append(for_html(text)).append("</a></li>\n");
}

}  // namespace

std::string folder_page(const std::vector<std::string>& segments, const FolderEntries& entries) {
  std::string path = "/";
  for (const std::string& segment : segments) path += segment + "/";
  const std::string title = for_html(path);
  std::string page = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>" + title +
                     "</title></head>\n<body><h1>" + title + "</h1>\n<ul>\n";
  if (!segments.empty()) append_link(page, "../", "../");
  for (const FolderEntry& entry : entries.entries) {
    const std::string end = entry.is_folder ? "/" : "";
    append_link(page, http::encode(entry.name) + end, entry.name + end);
  }
  page += "</ul>\n";
  if (!entries.all) page += "<p>There are more.</p>\n";
  return page + "</body></html>\n";
}

}  // namespace vnet::daemon
