/** The product's mark. */
export function Mark() {
  return <img src="/icon.svg" alt="" width={36} height={36} />;
}
