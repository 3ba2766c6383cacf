/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * no-http2: a library for LD_PRELOAD with which libcurl is as one that was built without
 * HTTP/2.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdarg.h>

#undef curl_easy_setopt

curl_version_info_data *
curl_version_info (CURLversion age)
{
  static _Thread_local curl_version_info_data without;
  curl_version_info_data *(*real) (CURLversion)
      = (curl_version_info_data * (*)(CURLversion)) dlsym (RTLD_NEXT, "curl_version_info");

  without = *real (age);
  without.features &= ~CURL_VERSION_HTTP2;
  return &without;
}

/* Every argument that there is has the size of a pointer or less. */
CURLcode
curl_easy_setopt (CURL *easy, CURLoption option, ...)
{
  CURLcode (*real) (CURL *, CURLoption, ...)
      = (CURLcode (*) (CURL *, CURLoption, ...))dlsym (RTLD_NEXT, "curl_easy_setopt");
  va_list ap;
  void *value;

  va_start (ap, option);
  value = va_arg (ap, void *);
  va_end (ap);
  if (option == CURLOPT_HTTP_VERSION
      && ((long)value == CURL_HTTP_VERSION_2_0 || (long)value == CURL_HTTP_VERSION_2TLS))
    return CURLE_UNSUPPORTED_PROTOCOL;
  return real (easy, option, value);
}
