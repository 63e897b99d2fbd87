export default function TopologyPage() { return <div className="page"><h1>x</h1></div>; }
